import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

/** The form of the files in `store/`. A change of it adds a step to `MIGRATIONS`. */
const FORMAT = 1;
const FILE = 'format';

/** Brings a directory from a format (the index) to the next one. */
const MIGRATIONS: readonly (((dir: string) => Promise<void>) | undefined)[] = [undefined];

/** The data was written by a newer version. */
export class NewerFormatError extends Error {
  constructor(dir: string, found: number) {
    super(
      `${dir} was written by a newer version of Dispatch (format ${found}, this one knows ${FORMAT}): use that version, or restore a backup of this one.`,
    );
    this.name = 'NewerFormatError';
  }
}

/** Makes sure that the directory has the format of this version, or refuses it untouched. */
export async function checkFormat(dir: string): Promise<void> {
  const found = await readFormat(dir);
  if (found > FORMAT) throw new NewerFormatError(dir, found);
  for (let format = found; format < FORMAT; format++) {
    await MIGRATIONS[format]?.(dir);
    await writeFormat(dir, format + 1);
  }
}

/** A directory without the file is new. */
async function readFormat(dir: string): Promise<number> {
  try {
    return Number(await readFile(join(dir, FILE), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function writeFormat(dir: string, format: number): Promise<void> {
  const path = join(dir, FILE);
  {
    await using file = await open(`${path}.new`, 'w', 0o600);
    await file.writeFile(`${format}\n`);
    await file.sync();
  }
  await rename(`${path}.new`, path);
}
