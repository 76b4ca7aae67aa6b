#!/usr/bin/env bash
# npm package etcd3 1.1.2 against etcd-server 3.4.23-4+b4 (Debian 12).
#
# Surprising: when the connection breaks after the server has carried out a transaction and before its answer arrives, the
# client sends the transaction again by itself, and gives the answer to the second one to the caller.
# Expected: an error, for a write of which nobody knows whether it happened; only a read, or a write that never left, is
# safe to repeat.
# Seen: "create this key if it is not there" was carried out once, and the caller was told `succeeded: false`, as if
# somebody else had been first, while the key holds the caller's own value. A plain put was done twice: its key is of
# version 2 after one call. No error in either case, with the options as they come.
#
# Why it matters to knock-otp: "spend this sequence unless it is spent" is such a transaction. Of an answer "it was there"
# the spender would conclude that somebody replays, and refuse its own client; so a store over etcd must write a value
# that tells its own attempt from others', or switch the repeating off (faultHandling).

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  debs etcd-server=3.4.23-4+b4
  npm_package etcd3 1.1.2

  cat >"$work/finding.cjs" <<'END'
const net = require('node:net');
const { Etcd3 } = require('etcd3');

let breaks = 0;
let broken = 0;
/** Between the client and the server: as long as `breaks` says so, an answer of the server breaks the connection. */
const between = net.createServer((client) => {
  const server = net.connect(2379, '127.0.0.1');
  client.pipe(server);
  server.on('data', (answer) => {
    // Frames of HTTP/2 that acknowledge, of a few bytes, are no answer yet.
    if (breaks > 0 && answer.length > 40) {
      breaks -= 1;
      broken += 1;
      client.destroy();
    } else client.write(answer);
  });
  for (const end of [client, server]) end.on('error', () => {}).on('close', () => (client.destroy(), server.destroy()));
});

between.listen(0, '127.0.0.1', async () => {
  const etcd = new Etcd3({ hosts: `127.0.0.1:${between.address().port}` });
  await etcd.get('warm');
  const seen = {};

  breaks = 1;
  const create = etcd.if('spent', 'Create', '==', 0).then(etcd.put('spent').value('by me')).commit();
  seen.create = await create.then(({ succeeded }) => `succeeded: ${succeeded}`, (error) => error.name);
  seen.value = await etcd.get('spent').string();

  breaks = 1;
  const put = etcd.put('counted').value('x').exec();
  seen.put = await put.then(() => 'done', (error) => error.name);
  seen.version = (await etcd.get('counted').exec()).kvs[0].version;

  console.log(`  connections broken before an answer: ${broken}`);
  console.log(`  create unless it is there: ${seen.create}, and the value is: ${seen.value}`);
  console.log(`  one put: ${seen.put}, and the version of its key is: ${seen.version}`);
  const stated = broken === 2 && seen.create === 'succeeded: false' && seen.value === 'by me' && seen.version === '2';
  process.exit(stated ? 0 : 1);
});
END
}

observe() {
  use_root
  etcd --version | head -n 1
  etcd --data-dir "$work/data" >"$work/etcd.log" 2>&1 &
  local _
  for _ in {1..100}; do
    if (exec 3<>/dev/tcp/127.0.0.1/2379) 2>/dev/null; then break; fi
    sleep 0.1
  done
  timeout 60 node "$work/finding.cjs" || changed 'the client no longer repeats a write whose answer is missing'
  say 'AS STATED: the write that was carried out was reported as the write of another'
}

run_finding "$@"
