import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

interface Case {
  dockerfile: string;
  files?: Record<string, string>;
  args?: string[];
  /** Paths that the two builders may see differently. */
  except?: RegExp;
}

const FILES = {
  'a.txt': 'a\n',
  'b.txt': 'b\n',
  'dir/c.txt': 'c\n',
  'dir/sub/d.md': 'd\n',
  'dir/.hidden': 'h\n',
};

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
/** Every case is built by both builders on the same base, and their files are compared one by one. */
const CASES: Record<string, Case> = {
  'COPY: files, directories, globs, several sources': {
    dockerfile:
      'COPY a.txt /one\nCOPY a.txt /dir/\nCOPY dir /whole\nCOPY *.txt /texts/\nCOPY a.txt b.txt /two/\nCOPY dir/ /slash\nCOPY dir/*/d.md /deep/',
  },
  'COPY: owners and modes': {
    dockerfile:
      'COPY --chown=1000:2000 a.txt /o/\nCOPY --chown=nobody dir /p\nCOPY --chmod=600 b.txt /m\nCOPY --chown=65534:0 --chmod=0755 a.txt /om',
  },
  'COPY over what is there': {
    dockerfile: 'COPY a.txt /x/f\nCOPY b.txt /x/f\nCOPY dir /x\nRUN rm /x/f\nCOPY a.txt /x/f',
  },
  'COPY through a link to a directory': {
    dockerfile: 'RUN mkdir /real && ln -s /real /link\nCOPY a.txt /link/\nCOPY dir /link/sub',
  },
  'ignored files stay out': {
    dockerfile: 'COPY . /all/',
    files: { '.dockerignore': '*.txt\n!b.txt\ndir/sub\n# note\n**/.hidden\n' },
  },
  'RUN: shell, list and working directory': {
    dockerfile:
      'WORKDIR /app/deep\nRUN pwd > where\nRUN ["/bin/sh", "-c", "echo $0 list > list"]\nWORKDIR sub\nRUN echo here > file',
  },
  'RUN: removal, replacement of a directory, links': {
    dockerfile:
      'RUN mkdir -p /d/e && echo 1 > /d/e/f && echo 2 > /d/g\nRUN rm -r /d && mkdir /d && echo 3 > /d/h\nRUN ln /d/h /d/i && ln -s i /d/j\nRUN rm /etc/os-release && chmod 700 /d',
  },
  'ENV and ARG: forms, scopes and defaults': {
    dockerfile:
      'ARG ONE=1\nARG TWO\nENV A=x B="y z" C=$ONE\nENV OLD form of it\nRUN echo "$A|$B|$C|$OLD|$TWO|${THREE:-three}" > /env\nWORKDIR /${A:+set}-${NOPE:-unset}\nRUN echo ok > f',
    args: ['TWO=2'],
  },
  'stages by name and number': {
    dockerfile:
      'RUN echo built > /out\nFROM ${BASE} AS second\nRUN echo second > /out2\nFROM ${BASE}\nCOPY --from=first /out /copied\nCOPY --from=1 /out2 /copied2\nCOPY --from=second /etc/group /etc/group2',
  },
  'COPY --from a directory that was made anew shows only the new one': {
    dockerfile:
      'RUN mkdir -p /d/sub && echo old > /d/old && echo old > /d/sub/x && ln -s / /out\nRUN rm -r /d /out && mkdir /d /out && echo new > /d/new\nFROM ${BASE}\nCOPY --from=first /d /copied\nCOPY --from=first /out /nothing',
  },
  'SHELL, USER and ownership of what is made': {
    dockerfile:
      'SHELL ["/bin/sh", "-e", "-c"]\nRUN mkdir /home/u && chown 1000:1000 /home/u\nUSER 1000:1000\nRUN id -u > /home/u/id\nWORKDIR /home/u/w',
    except: /home\/u\/w$/,
  },
  'ADD unpacks archives': {
    dockerfile: 'ADD pack.tar.gz /unpacked/\nCOPY pack.tar.gz /packed/\nADD a.txt /plain',
  },
  'comments, continuations and blank lines': {
    dockerfile:
      '# a comment\nRUN echo one \\\n  # in between\n\n  two > /joined && \\\n    echo three >> /joined',
  },
};

// biome-ignore-end lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles

const SKIP =
  SKIP_SANDBOX ||
  (process.getuid?.() !== 0 ? 'buildah is compared as root only' : false) ||
  (process.env['CI'] === 'true' || spawnSync('buildah', ['--version']).status === 0
    ? false
    : 'buildah is not installed');

describe('images are built as buildah builds them', { skip: SKIP }, () => {
  let dispatch: Dispatch;
  let registry = '';
  let creds = '';
  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
    registry = (await dispatch.file()).registry ?? '';
    const config = parse(await readFile(join(dispatch.dataDir, 'kubeconfig'), 'utf8')) as {
      users: { user: { token: string } }[];
    };
    creds = `x:${config.users[0]!.user.token}`;
    await build(dispatch, join(dispatch.home, 'base'), { 'a.txt': '' }, 'FROM dispatch.local/shell', [
      `${registry}/default/base:1`,
    ]);
  });
  after(async () => {
    spawnSync('buildah', ['rmi', '--all', '--force']);
    await dispatch.kill('SIGTERM');
    await dispatch[Symbol.asyncDispose]();
  });

  for (const [name, { dockerfile, files, args = [], except }] of Object.entries(CASES)) {
    test(name, async () => {
      const dir = join(dispatch.home, name.replaceAll(/\W+/g, '-'));
      const base = `${registry}/default/base:1`;
      const text = `ARG BASE=${base}\nFROM \${BASE} AS first\n${dockerfile}\n`;
      const ours = `${registry}/default/ours:${name.length}`;
      const all = { ...FILES, ...files };
      const flags = args.flatMap((arg) => ['--build-arg', arg]);
      await write(dir, all, text);
      spawnSync('tar', ['-C', dir, '-czf', join(dir, 'pack.tar.gz'), 'dir']);
      const built = await dispatch.run('image', 'build', '-t', ours, ...flags, dir);
      assert.equal(built.code, 0, built.stderr);
      const common = ['--tls-verify=false', '--creds', creds];
      const peer = spawnSync(
        'buildah',
        ['bud', '-q', '--isolation', 'chroot', '--layers', ...common, ...flags, '-t', 'localhost/peer', dir],
        { encoding: 'utf8' },
      );
      assert.equal(peer.status, 0, peer.stderr);
      const theirs = contents(['localhost/peer'], except);
      assert.deepEqual(contents([...common, ours], except), theirs);
      assert.ok(theirs.length > 10);
    });
  }

  test('the same files and words give the same digest, and a cached build runs nothing', async () => {
    const dir = join(dispatch.home, 'again');
    const text = 'FROM dispatch.local/shell\nCOPY a.txt /\nRUN date +%N > /dev/null; echo same > /same\n';
    const first = await build(dispatch, dir, FILES, text, []);
    const second = await build(dispatch, dir, FILES, text, []);
    assert.equal(first.stdout, second.stdout);
    assert.match(second.stderr, /RUN date.*\n\s+\(from the cache\)/);
    const anew = await dispatch.run('image', 'build', '--no-cache', dir);
    assert.equal(anew.stdout, first.stdout);
  });

  test('secrets, caches, bound trees and files in memory are there for a step and gone after it', async () => {
    const dir = join(dispatch.home, 'mounts');
    const text = [
      'FROM dispatch.local/shell AS other',
      'RUN echo other > /from',
      'FROM dispatch.local/shell',
      'RUN --mount=type=secret,id=key cat /run/secrets/key | tr a-z A-Z > /upper',
      'RUN --mount=type=cache,target=/cache echo 1 >> /cache/count; wc -l < /cache/count > /count',
      'RUN --mount=type=cache,target=/cache echo 1 >> /cache/count; wc -l < /cache/count >> /count',
      'RUN --mount=type=bind,source=dir,target=/ctx --mount=type=bind,from=other,target=/other cat /ctx/c.txt /other/from > /bound',
      'RUN --mount=type=tmpfs,target=/fast touch /fast/x && ls /fast > /fast-list',
      'CMD ["sh", "-c", "cat /upper /count /bound /fast-list; ls / | tr \'\\\\n\' \' \'"]',
    ].join('\n');
    await write(dir, { ...FILES, 'secret.key': 'hidden\n', '.dockerignore': 'secret.key\n' }, text);
    const tag = `${registry}/default/mounts:1`;
    const { code, stderr } = await dispatch.run(
      'image',
      'build',
      '-t',
      tag,
      '--secret',
      `id=key,src=${dir}/secret.key`,
      dir,
    );
    assert.equal(code, 0, stderr);
    await dispatch.ok('run', 'mounts', `--image=${tag}`, '--restart=Never');
    await eventually(async () => {
      const said = await dispatch.ok('logs', 'mounts');
      assert.match(said, /^HIDDEN\n1\n2\nc\nother\nx\n/);
      assert.doesNotMatch(said, /cache|ctx|other /);
    });
  });

  test('no link and no path of a build leads to files of this machine', async () => {
    const dir = join(dispatch.home, 'escape');
    await write(dir, FILES, '');
    const secret = join(dispatch.home, 'host-secret');
    await writeFile(secret, 'of the host');
    for (const [to, name] of [
      ['/', 'two'],
      ['two', 'one'],
      [secret, 'file'],
    ] as const)
      await symlink(to, join(dir, name));
    const inContext = secret.slice(1);
    for (const text of [
      `COPY one/${inContext} /stolen`,
      `COPY two/${inContext} /stolen`,
      `RUN --mount=type=bind,source=../host-secret,target=/s cat /s`,
      `RUN --mount=type=bind,source=one/${inContext},target=/s cat /s`,
      `RUN --mount=type=bind,source=file,target=/s cat /s`,
      `RUN ln -s / /a\nRUN rm /a && mkdir /a\nFROM dispatch.local/shell\nCOPY --from=0 /a/${inContext} /stolen`,
      `RUN ln -s / /a\nFROM dispatch.local/shell\nRUN --mount=type=bind,from=0,source=a/${inContext},target=/s cat /s`,
      `RUN true\nFROM dispatch.local/shell\nRUN --mount=type=bind,from=0,source=../../../../../../../../..${secret},target=/s cat /s`,
    ]) {
      const result = await build(dispatch, dir, {}, `FROM dispatch.local/shell\n${text}\n`, [], false);
      assert.equal(result.code, 1, text);
      assert.doesNotMatch(result.stderr + result.stdout, /of the host/);
    }
  });

  test('a mistake is told with its line', async () => {
    const dir = join(dispatch.home, 'wrong');
    for (const [text, said] of [
      ['FROM dispatch.local/shell\nRUM x', /line 2: "RUM" is no instruction/i],
      ['FROM dispatch.local/shell\nRUN exit 3', /line 2: RUN exit 3 ended with exit code 3/i],
      ['FROM dispatch.local/shell\nCOPY nope /', /line 2: COPY nope \/: nope is not there/i],
      ['FROM dispatch.local/shell\nCOPY ../../etc/passwd /', /is not there/],
      ['FROM dispatch.local/shell\nCOPY --parents a.txt /', /line 2: COPY --parents is not supported/i],
      ['RUN x', /comes before the first FROM/],
    ] as const) {
      const result = await build(dispatch, dir, FILES, text, [], false);
      assert.equal(result.code, 1);
      assert.match(result.stderr, said);
    }
  });
});

async function build(
  dispatch: Dispatch,
  dir: string,
  files: Record<string, string>,
  dockerfile: string,
  tags: string[],
  mustWork = true,
) {
  await write(dir, files, dockerfile);
  const result = await dispatch.run('image', 'build', ...tags.flatMap((tag) => ['-t', tag]), dir);
  if (mustWork) assert.equal(result.code, 0, result.stderr);
  return result;
}

async function write(dir: string, files: Record<string, string>, dockerfile: string): Promise<void> {
  for (const [name, text] of Object.entries({ ...files, Dockerfile: dockerfile })) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
}

/** Every file of an image as a line: kind, mode, owner, path, and what is in it. */
function contents(from: string[], except: RegExp | undefined): string[] {
  const container = spawnSync(
    'buildah',
    ['from', '-q', '--pull-always', ...from].filter(
      (word) => word !== '--pull-always' || !from.includes('localhost/peer'),
    ),
    { encoding: 'utf8' },
  );
  assert.equal(container.status, 0, container.stderr);
  const name = container.stdout.trim();
  const script =
    'cd "$(buildah mount "$1")" && find . -mindepth 1 \\( -path ./usr -o -path ./dev -o -path ./proc -o -path ./sys \\) -prune -o -printf "%y %m %U:%G %p %l\\n" | sort; find . \\( -path ./usr -o -path ./dev -o -path ./proc -o -path ./sys \\) -prune -o -type f -exec sha256sum {} + | sort -k 2; buildah rm "$1" > /dev/null';
  const listed = spawnSync('sh', ['-c', script, 'sh', name], { encoding: 'utf8' });
  return listed.stdout
    .trim()
    .split('\n')
    .filter((line) => except === undefined || !except.test(line.trim()))
    .filter(
      (line) =>
        !/ \.\/(etc\/(hosts|resolv\.conf|hostname)|run\/(secrets.*|\.containerenv)|run|etc|packed\/pack\.tar\.gz)$/.test(
          line.trim(),
        ),
    );
}

test(
  'programs of a build reach what pods do, nothing where they are told so, and never what trusts this machine',
  { skip: SKIP_SANDBOX },
  async () => {
    const trusting = createServer((_, response) => response.end('trusted'));
    await new Promise<void>((resolve) => trusting.listen(0, '127.0.0.1', resolve));
    await using dispatch = await Dispatch.make();
    try {
      await dispatch.up();
      const { port } = trusting.address() as AddressInfo;
      const dir = join(dispatch.home, 'network');
      await mkdir(dir);
      const ask = (url: string): string =>
        `fetch('${url}',{signal:AbortSignal.timeout(4000)}).then(async r=>console.log('reached',(await r.text()).trim()),()=>console.log('refused'))`;
      const build = async (url: string, ...flags: string[]): Promise<string> => {
        await writeFile(
          join(dir, 'Dockerfile'),
          `FROM dispatch.local/node\nRUN ["node", "-e", ${JSON.stringify(ask(url))}]\n`,
        );
        return (await dispatch.run('image', 'build', '--no-cache', ...flags, dir)).stderr;
      };
      const web = 'http://dispatch.dispatch-system.svc/nothing';
      assert.match(await build(web), /reached There is nothing here/);
      assert.match(await build(web, '--network', 'none'), /refused/);
      assert.match(await build(`http://127.0.0.1:${port}/`), /refused/);
      assert.match(await build(`http://127.0.0.1:${port}/`, '--network', 'host'), /reached trusted/);
      await writeFile(join(dir, 'Dockerfile'), `FROM scratch\nADD http://127.0.0.1:${port}/file /\n`);
      assert.match((await dispatch.run('image', 'build', dir)).stderr, /is not served to pods/);
      assert.equal((await dispatch.run('image', 'build', '--network', 'host', dir)).code, 0);
    } finally {
      trusting.close();
    }
  },
);
