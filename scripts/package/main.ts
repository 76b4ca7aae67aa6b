/**
 * Builds the Debian package: puts the files that `npm pack` would publish, and the packages that they load, where Debian
 * wants them; then calls dpkg-deb. The parts that are the same in every package are in debian/.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { systemdUnit } from '../../server/service/systemd-unit.ts';
import { copyrightFile, longTexts } from './copyright.ts';
import { copyRuntimeFiles, manifestOf, type RuntimePackage, runtimePackages } from './runtime-packages.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const parts = fileURLToPath(new URL('./debian/', import.meta.url));
const NAME = 'knock-otp';
const LIB = 'usr/lib/knock-otp';
const DOC = `usr/share/doc/${NAME}`;
const CONFFILES = ['/etc/default/knock-otpd', '/etc/logrotate.d/knock-otpd'];

const { values } = parseArgs({
  options: { revision: { type: 'string', default: '1' }, output: { type: 'string', default: 'dist/packages' } },
});
const output = resolve(root, values.output);
const stage = mkdtempSync(join(tmpdir(), 'knock-otp-package-'));
try {
  if (!existsSync(join(root, 'dist/knock-otp.cjs'))) throw new Error('nothing is built: npm run build');
  process.stdout.write(`${build(stage)}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** Builds the package and returns its path. */
function build(folder: string): string {
  const { version: upstream } = manifestOf(root);
  const version = `${upstream}-${values.revision}`;
  const tree = join(folder, 'tree');
  const at = (path: string): string => join(tree, path);
  for (const path of ['DEBIAN', LIB, DOC, `${DOC}/examples`, 'usr/bin', 'usr/sbin', 'etc/default', 'etc/logrotate.d']) {
    mkdirSync(at(path), { recursive: true });
  }
  unpackOurs(folder, at);
  const packages = runtimePackages(root);
  for (const each of packages) copyRuntimeFiles(each, at(`${LIB}/node_modules`));
  const natives = finishNatives(at(`${LIB}/node_modules`));
  tryPackages(at(LIB), packages);
  symlinkSync(`../lib/knock-otp/dist/knock-otp.cjs`, at('usr/bin/knock-otp'));
  symlinkSync(`../lib/knock-otp/dist/knock-otpd.cjs`, at('usr/sbin/knock-otpd'));

  write(at(`usr/lib/systemd/system/knock-otpd.service`), packagedUnit());
  cpSync(join(parts, 'knock-otpd.default'), at('etc/default/knock-otpd'));
  cpSync(join(root, 'contrib/logrotate/knock-otpd'), at('etc/logrotate.d/knock-otpd'));
  installManuals(at);
  installCompletions(at);

  const licence = readFileSync(join(root, 'LICENSE'), 'utf8').trim();
  const holder = /^Copyright \(c\) (.*)$/m.exec(licence)?.[1] ?? 'the knock-otp authors';
  write(at(`${DOC}/copyright`), copyrightFile({ holder, text: licence }, packages));
  for (const { file, text } of longTexts(packages)) writeZipped(at(`${DOC}/${file}.gz`), text);
  writeZipped(at(`${DOC}/changelog.gz`), readFileSync(join(root, 'CHANGELOG.md')));
  writeZipped(at(`${DOC}/changelog.Debian.gz`), debianChangelog(version));
  cpSync(join(parts, 'lintian-overrides'), at(`usr/share/lintian/overrides/${NAME}`));

  for (const script of ['postinst', 'prerm', 'postrm'])
    cpSync(join(parts, `knock-otp.${script}`), at(`DEBIAN/${script}`));
  write(at('DEBIAN/conffiles'), `${CONFFILES.join('\n')}\n`);
  writeControl(folder, tree, version, natives);
  settleModes(tree);
  writeSums(tree);
  mkdirSync(output, { recursive: true });
  const file = join(output, `${NAME}_${version}_${architecture()}.deb`);
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, file], { SOURCE_DATE_EPOCH: `${lastChange()}` });
  return file;
}

/** Unpacks the files that npm would publish, by the rules of npm. */
function unpackOurs(folder: string, at: (path: string) => string): void {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder])) as [
    { filename: string },
  ];
  run('tar', ['-xzf', join(folder, filename), '-C', folder]);
  const from = (path: string): string => join(folder, 'package', path);
  for (const path of ['package.json', 'dist']) cpSync(from(path), at(`${LIB}/${path}`), { recursive: true });
  // Types are for programs that use the library. Their authors get the library from npm.
  for (const file of filesUnder(at(LIB)).filter((each) => /\.d\.ts$|\.map$|\.tsbuildinfo$/.test(each))) rmSync(file);
  for (const path of ['README.md', 'docs']) cpSync(from(path), at(`${DOC}/${path}`), { recursive: true });
  cpSync(from('contrib'), at(`${DOC}/examples`), { recursive: true });
  chmodSync(at(`${LIB}/dist/knock-otpd.cjs`), 0o755);
}

/** Strips the native parts, lets cap find libpcap without its development package, and returns the paths. */
function finishNatives(modules: string): readonly string[] {
  const natives = filesUnder(modules).filter((file) => file.endsWith('.node'));
  for (const file of natives) {
    chmodSync(file, 0o644);
    run('strip', ['--strip-unneeded', file]);
  }
  // cap loads libpcap.so by that name, to get packets without delay.
  const folder = join(modules, 'cap/build/Release');
  run('patchelf', ['--set-rpath', '$ORIGIN', join(folder, 'cap.node')]);
  const triplet = run('dpkg-architecture', ['-qDEB_HOST_MULTIARCH']).trim();
  symlinkSync(`../../../../../${triplet}/libpcap.so.0.8`, join(folder, 'libpcap.so'));
  return natives;
}

/** Loads each package from the tree, to see that no needed file is missing. Other packages load platform packages. */
function tryPackages(folder: string, packages: readonly RuntimePackage[]): void {
  const names = packages.map(({ name }) => name).filter((name) => !/linux|koromix|^@otplib|^@noble|^@scure/.test(name));
  const script = `for (const name of ${JSON.stringify(names)}) await import(name);
    new (await import('better-sqlite3')).default(':memory:').close();`;
  run('node', ['--input-type=module', '--eval', script], {}, folder);
}

function packagedUnit(): string {
  return systemdUnit({
    origin: 'What you change goes by: systemctl edit knock-otpd',
    node: '/usr/bin/node',
    program: `/${LIB}/dist/knock-otpd.cjs`,
    documentation: 'man:knock-otpd(8)',
    notifies: true,
    optionsFile: '/etc/default/knock-otpd',
  });
}

function installManuals(at: (path: string) => string): void {
  for (const page of readdirSync(join(root, 'man'))) {
    writeZipped(at(`usr/share/man/man${page.at(-1)}/${page}.gz`), readFileSync(join(root, 'man', page)));
  }
}

/** Writes the completion scripts as the programs print them. */
function installCompletions(at: (path: string) => string): void {
  for (const [name, main] of [
    ['knock-otp', 'dist/knock-otp.cjs'],
    ['knock-otpd', 'dist/knock-otpd.cjs'],
  ] as const) {
    const print = (shell: string): string => run('node', [join(root, main), 'completion', shell]);
    write(at(`usr/share/bash-completion/completions/${name}`), print('bash'));
    write(at(`usr/share/zsh/vendor-completions/_${name}`), print('zsh'));
    write(at(`usr/share/fish/vendor_completions.d/${name}.fish`), print('fish'));
  }
}

function debianChangelog(version: string): string {
  const date = new Date(lastChange() * 1000).toUTCString().replace('GMT', '+0000');
  return `${NAME} (${version}) unstable; urgency=medium

  * What has changed stands in changelog.gz.

 -- ${maintainer()}  ${date}
`;
}

function writeControl(folder: string, tree: string, version: string, natives: readonly string[]): void {
  // dpkg-shlibdeps needs a source package.
  write(join(folder, 'debian/control'), `Source: ${NAME}\n\nPackage: ${NAME}\nArchitecture: any\n`);
  const libraries = run(
    'dpkg-shlibdeps',
    ['-O', '--warnings=0', '--ignore-missing-info', ...natives.map((file) => `-e${file}`)],
    {},
    folder,
  );
  const needed = /^shlibs:Depends=(.*)$/m.exec(libraries)?.[1] ?? '';
  const major = Number(process.versions.node.split('.')[0]);
  // The native parts are built for one ABI of Node, which means one major version.
  const depends = [
    `nodejs (>= ${major === 20 ? '20.19' : major})`,
    `nodejs (<< ${major + 1}~)`,
    'libnftables1',
    'init-system-helpers (>= 1.50)',
    needed,
  ];
  const size = Math.ceil(filesUnder(tree).reduce((sum, file) => sum + readFileSync(file).length, 0) / 1024);
  write(
    join(tree, 'DEBIAN/control'),
    `Package: ${NAME}
Version: ${version}
Architecture: ${architecture()}
Maintainer: ${maintainer()}
Installed-Size: ${size}
Depends: ${depends.join(', ')}
Recommends: nftables, logrotate
Suggests: iptables, ufw, firewalld
Section: net
Priority: optional
Description: port knocking whose knocks are one-time, server and client
 A port of the server stays invisible to everyone who has not knocked. A
 client that shares a secret with the server derives a sequence of ports from
 it and from the time, or a counter, and touches them. The server only listens,
 and opens the door for that address for some seconds. A sequence is spent
 before anything opens, so whoever has captured a knock has nothing.
 .
 The daemon knock-otpd runs a configuration of knockd as well. It is neither
 enabled nor started by its installation. The client knock-otp needs no root.
`,
  );
}

function writeSums(tree: string): void {
  const files = filesUnder(tree).filter((file) => !file.startsWith(join(tree, 'DEBIAN')));
  const sums = run('md5sum', ['--', ...files.map((file) => file.slice(tree.length + 1)).sort()], {}, tree);
  write(join(tree, 'DEBIAN/md5sums'), sums);
}

/** Sets the modes that Debian wants, whatever the umask of the build is. */
function settleModes(tree: string): void {
  run('find', [tree, '-type', 'd', '-exec', 'chmod', '755', '{}', '+']);
  run('find', [tree, '-type', 'f', '-perm', '/111', '-exec', 'chmod', '755', '{}', '+']);
  run('find', [tree, '-type', 'f', '!', '-perm', '/111', '-exec', 'chmod', '644', '{}', '+']);
  run('find', [tree, '-type', 'd', '-empty', '-delete']);
}

/** The maintainer: from the variables of Debian's tools, otherwise the author of the last commit. */
function maintainer(): string {
  const { DEBFULLNAME: name, DEBEMAIL: email } = process.env;
  return name !== undefined && email !== undefined
    ? `${name} <${email}>`
    : run('git', ['log', '-1', '--format=%an <%ae>']).trim();
}

/** Unix seconds of the last commit, so the same tree gives the same package. */
function lastChange(): number {
  return Number(run('git', ['log', '-1', '--format=%ct']).trim());
}

function architecture(): string {
  return run('dpkg', ['--print-architecture']).trim();
}

/** Absolute paths of the regular files. */
function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function write(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}

function writeZipped(path: string, content: string | Uint8Array): void {
  mkdirSync(join(path, '..'), { recursive: true });
  // Without name and time in the header, like gzip -9n.
  writeFileSync(path, gzipSync(content, { level: 9 }));
}

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = root): string {
  return execFileSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
