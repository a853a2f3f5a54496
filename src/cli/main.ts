import { report } from './errors.ts';
import { createProgram } from './program.ts';
import { commandOf, ownArguments } from './words.ts';

try {
  const program = await createProgram(
    {
      argv: process.argv,
      env: process.env,
      cwd: process.cwd(),
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
    },
    commandOf(process.argv),
  );
  await program.parseAsync(ownArguments(process.argv));
} catch (error) {
  const verbose = process.argv.includes('-v') || process.argv.includes('--verbose');
  process.exitCode = report(error, { verbose, stderr: process.stderr });
}
