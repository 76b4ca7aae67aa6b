/** Compiles a test program and what it imports to plain JavaScript, for tests that start it hundreds of times. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Relative imports only: whatever comes from node_modules is not found from `folder`. Answers the program's path. */
export function compile(program: string, folder: string): string {
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const done = new Set<string>();
  const queue = [resolve(program)];
  for (let source = queue.pop(); source !== undefined; source = queue.pop()) {
    if (done.has(source)) continue;
    done.add(source);
    const text = readFileSync(source, 'utf8');
    const { outputText } = ts.transpileModule(text, {
      fileName: source,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    const target = compiledPath(source, folder);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      if (fileName.startsWith('.')) queue.push(resolve(dirname(source), fileName.replace(/\.js$/, '.ts')));
    }
  }
  return compiledPath(resolve(program), folder);
}

function compiledPath(source: string, folder: string): string {
  return join(folder, relative(ROOT, source).replace(/\.ts$/, '.js'));
}
