/** Writes debian/copyright in the machine-readable form 1.0: knock-otp and each bundled package, with their licences. */
import { licenceText, type RuntimePackage } from './runtime-packages.ts';

export function copyrightFile(
  ours: { readonly holder: string; readonly text: string },
  packages: readonly RuntimePackage[],
): string {
  // The same licence may be worded differently in each package, so every package has its own paragraph.
  const parts = packages.map((each) => {
    const text = shortText(each);
    return `Files: usr/lib/knock-otp/node_modules/${each.name}/*
Copyright: ${each.copyright}
License: ${each.license}~${each.name.replaceAll(/[^\w.-]/g, '-')}
${indented(text)}
Comment: ${each.name} ${each.version}
`;
  });
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: knock-otp
Source: npm package knock-otp

Files: *
Copyright: ${ours.holder}
License: Expat
${indented(ours.text)}

${parts.join('\n')}`;
}

/** Longer texts hold the licences of everything that a binary links, and get a file of their own. */
const LONG = 10_000;

/** The texts that are too long for the copyright file, and the names of their files. */
export function longTexts(
  packages: readonly RuntimePackage[],
): readonly { readonly file: string; readonly text: string }[] {
  return packages.flatMap((each) => {
    const text = licenceText(each) ?? '';
    return text.length > LONG ? [{ file: fileOf(each), text }] : [];
  });
}

function shortText(each: RuntimePackage): string {
  const text = licenceText(each) ?? `As named in its package.json: ${each.license}.`;
  if (text.length <= LONG) return text;
  return `${each.license}, and those of what is linked into it, in /usr/share/doc/knock-otp/${fileOf(each)}.gz.`;
}

function fileOf({ name }: RuntimePackage): string {
  return `linked-into-${name.replaceAll(/[^\w.-]/g, '-').replace(/^-/, '')}`;
}

/** Writes an empty line as a dot, as in a control file. */
function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');
}
