/**
 * The direction of imports, for `npm run lint`: no circles, and each room imports only from rooms below it. Type-only imports
 * count. The compiler's project references hold the same layers more coarsely. docs/DESIGN.md has the map of the rooms.
 */

/** Rooms from top to bottom. Rooms in one line do not import each other. */
const SERVER = [
  ['main.ts'],
  ['cli.ts'],
  ['setup'],
  ['program'],
  ['metrics', 'watch'],
  ['daemon'],
  ['explain', 'service', 'trial'],
  ['config'],
  ['demand'],
  ['capture', 'control', 'firewall', 'one-time', 'queues'],
  ['clock', 'log', 'nft', 'store'],
  ['core', 'process'],
];
const CLIENT = [
  ['main.ts'],
  ['cli', 'system.ts'],
  ['commands'],
  ['doctor'],
  ['by-hand', 'knock'],
  ['factors', 'ssh'],
  ['profiles'],
  ['address', 'sockets', 'terminal'],
  ['deps.ts'],
];
const SHARED = [['files'], ['command-line', 'formats']];

const pathOf = (part, room) => `^${part}/${room.replace('.', '\\.')}${room.includes('.') ? '$' : '/'}`;

/** For each room: it imports from no room of its own line but itself, and from none above. */
function layers(part, lines) {
  return lines.flatMap((line, at) =>
    line.flatMap((room) => {
      const barred = [...lines.slice(0, at).flat(), ...line.filter((other) => other !== room)];
      if (barred.length === 0) return [];
      return [
        {
          name: `${part}/${room} imports only from rooms below it`,
          severity: 'error',
          from: { path: pathOf(part, room) },
          to: { path: barred.map((other) => pathOf(part, other)) },
        },
      ];
    }),
  );
}

module.exports = {
  forbidden: [
    { name: 'no import circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no import that leads nowhere',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '\\.(c|mjs)$' },
    },
    {
      name: 'shared imports from nothing else of ours',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(server|client|scripts|test)/' },
    },
    {
      name: 'the core imports only from itself and from shared',
      severity: 'error',
      from: { path: '^server/core/' },
      to: { path: '^(server/(?!core/)|client/|scripts/|test/|shared/files/)' },
    },
    {
      name: 'the core and shared reach no clock, file or socket',
      severity: 'error',
      from: { path: '^(server/core|shared/(?!files/))' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'client and server do not import each other, nor scripts or tests',
      severity: 'error',
      from: { path: '^(client|server)/' },
      to: { path: '^(client|server|scripts|test)/', pathNot: '^$1/' },
    },
    {
      name: 'a room is in the list of rooms',
      severity: 'error',
      from: {},
      to: {
        path: '^(server|client)/',
        pathNot: [
          ...SERVER.flat().map((room) => pathOf('server', room)),
          ...CLIENT.flat().map((room) => pathOf('client', room)),
        ],
      },
    },
    ...layers('server', SERVER),
    ...layers('client', CLIENT),
    ...layers('shared', SHARED),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.d.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
    },
  },
};
