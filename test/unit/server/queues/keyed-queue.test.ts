import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedQueue } from '../../../../server/queues/keyed-queue.ts';

/** A job that ends when the test releases it. */
function held(events: string[], name: string) {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const job = async () => {
    events.push(`${name} begins`);
    await gate;
    events.push(`${name} ends`);
  };
  return { job, release };
}

test('jobs of one key run one after the other, keys side by side', async () => {
  const queue = new KeyedQueue();
  const events: string[] = [];
  const fail = (error: unknown) => assert.fail(String(error));
  const first = held(events, 'a1');
  const other = held(events, 'b1');
  queue.run('a', first.job, fail);
  queue.run('a', async () => void events.push('a2'), fail);
  queue.run('b', other.job, fail);
  other.release();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(events, ['a1 begins', 'b1 begins', 'b1 ends']);
  first.release();
  await queue.idle();
  assert.deepEqual(events.slice(3), ['a1 ends', 'a2']);
});

test('a job that rejects is told and does not stop the next', async () => {
  const queue = new KeyedQueue();
  const events: string[] = [];
  queue.run(
    'a',
    () => Promise.reject(new Error('no')),
    (error) => events.push(String(error)),
  );
  queue.run(
    'a',
    async () => void events.push('next'),
    (error) => events.push(String(error)),
  );
  await queue.idle();
  assert.deepEqual(events, ['Error: no', 'next']);
});

test('idle waits for jobs that jobs add', async () => {
  const queue = new KeyedQueue();
  const events: string[] = [];
  const ignore = () => undefined;
  queue.run('a', async () => queue.run('b', async () => void events.push('b'), ignore), ignore);
  await queue.idle();
  assert.deepEqual(events, ['b']);
});
