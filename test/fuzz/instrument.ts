/**
 * Makes a fuzz target out of TypeScript: one bundle in which every branch of `shared`, `server` and `client` counts
 * how often it was taken. No maintained tool does this: jsfuzz is older than ES modules, and the prebuilt fuzzer of
 * Jazzer.js needs a newer C library than Debian 12 has.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The product, and the planted bug that tests the fuzzer. */
const OURS = /^(?:shared|server|client|test\/fuzz\/planted-bug)\b/;
const COUNTERS = '__edges';

export interface Instrumented {
  /** The path of the bundle. */
  readonly file: string;
  /** The number of counters; `globalThis.__edges` must have this length before the bundle is loaded. */
  readonly edges: number;
  /** Strings and numbers that the sources compare with, as words for the mutator. */
  readonly words: readonly Uint8Array[];
}

/** Bundles `entry` into `outfile`, which must be in a folder from which node_modules is found. */
export async function instrument(entry: string, outfile: string): Promise<Instrumented> {
  let edges = 0;
  const words = new Map<string, Uint8Array>();
  const counting: Plugin = {
    name: 'counting',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (!OURS.test(relative(ROOT, path))) return undefined;
        const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), {
          fileName: path,
          compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
          transformers: { before: [countBranches(() => edges++, words)] },
        });
        return { contents: outputText, loader: 'js' };
      });
    },
  };
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    banner: { js: `const ${COUNTERS} = globalThis.${COUNTERS};` },
    plugins: [counting],
    logLevel: 'warning',
  });
  return { file: outfile, edges, words: [...words.values()] };
}

function countBranches(next: () => number, words: Map<string, Uint8Array>): ts.TransformerFactory<ts.SourceFile> {
  return (context) => {
    const { factory: make } = context;
    const count = () =>
      make.createPostfixIncrement(make.createElementAccessExpression(make.createIdentifier(COUNTERS), next()));
    const counted = (expression: ts.Expression) =>
      make.createParenthesizedExpression(make.createComma(count(), expression));
    const block = (statement?: ts.Statement) =>
      make.createBlock(
        [make.createExpressionStatement(count()), ...(statement === undefined ? [] : [statement])],
        true,
      );
    const body = (statements: ts.Block) =>
      make.updateBlock(statements, [make.createExpressionStatement(count()), ...statements.statements]);

    const branch = (node: ts.Node): ts.Node => {
      if (ts.isIfStatement(node)) {
        return make.updateIfStatement(node, node.expression, block(node.thenStatement), block(node.elseStatement));
      }
      if (ts.isConditionalExpression(node)) {
        const { condition, questionToken, whenTrue, colonToken, whenFalse } = node;
        return make.updateConditionalExpression(
          node,
          condition,
          questionToken,
          counted(whenTrue),
          colonToken,
          counted(whenFalse),
        );
      }
      if (ts.isBinaryExpression(node) && isShortCircuit(node.operatorToken.kind)) {
        return make.updateBinaryExpression(node, node.left, node.operatorToken, counted(node.right));
      }
      if (ts.isCaseClause(node)) {
        return make.updateCaseClause(node, node.expression, [
          make.createExpressionStatement(count()),
          ...node.statements,
        ]);
      }
      if (ts.isDefaultClause(node)) {
        return make.updateDefaultClause(node, [make.createExpressionStatement(count()), ...node.statements]);
      }
      if (ts.isForStatement(node)) {
        const { initializer, condition, incrementor, statement } = node;
        return make.updateForStatement(node, initializer, condition, incrementor, block(statement));
      }
      if (ts.isForOfStatement(node)) {
        const { awaitModifier, initializer, expression, statement } = node;
        return make.updateForOfStatement(node, awaitModifier, initializer, expression, block(statement));
      }
      if (ts.isWhileStatement(node)) return make.updateWhileStatement(node, node.expression, block(node.statement));
      if (ts.isCatchClause(node)) return make.updateCatchClause(node, node.variableDeclaration, body(node.block));
      if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
        const { modifiers, typeParameters, parameters, type, equalsGreaterThanToken } = node;
        return make.updateArrowFunction(
          node,
          modifiers,
          typeParameters,
          parameters,
          type,
          equalsGreaterThanToken,
          counted(node.body),
        );
      }
      return node;
    };

    const visit = (node: ts.Node): ts.Node => {
      collectWord(node, words);
      const visited = ts.visitEachChild(node, visit, context);
      if (!ts.isBlock(visited)) return branch(visited);
      // Only the original node knows its parent. Constructors stay as they are, because no code may come before super().
      const isBody = ts.isFunctionLike(node.parent) && !ts.isConstructorDeclaration(node.parent);
      return isBody ? body(visited) : visited;
    };
    return (source) => ts.visitNode(source, visit, ts.isSourceFile);
  };
}

function isShortCircuit(kind: ts.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    kind === ts.SyntaxKind.BarBarToken ||
    kind === ts.SyntaxKind.QuestionQuestionToken
  );
}

function collectWord(node: ts.Node, words: Map<string, Uint8Array>): void {
  const add = (bytes: Uint8Array) => words.set(Buffer.from(bytes).toString('hex'), bytes);
  if (ts.isStringLiteral(node) && node.text.length > 0 && node.text.length <= 24) add(Buffer.from(node.text));
  if (!ts.isNumericLiteral(node)) return;
  const value = Number(node.text);
  if (!Number.isInteger(value) || value > 0xffff) return;
  add(Uint8Array.of(value & 0xff));
  add(Uint8Array.of(value >> 8, value & 0xff));
  add(Uint8Array.of(value & 0xff, value >> 8));
}
