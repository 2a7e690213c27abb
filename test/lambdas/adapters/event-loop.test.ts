import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { noteLook, onceLooked } from '../../../lambdas/adapters/event-loop.ts';

const RECENT_MS = 20;

/** So that the last look of another test is not recent. */
beforeEach(() => sleep(RECENT_MS + 5));

function isAtOnce(): boolean {
  let isCalled = false;
  onceLooked(() => {
    isCalled = true;
  });
  return isCalled;
}

const looked = () => new Promise<void>((resolve) => onceLooked(resolve));
const batchHandled = () => new Promise((resolve) => setImmediate(setImmediate, resolve));

test('nothing is trusted before a look', () => {
  expect(isAtOnce()).toBe(false);
});

test('one look serves whoever comes soon after', async () => {
  await looked();
  expect(isAtOnce()).toBe(true);
});

test('a look is old after a while, and after a freeze', async () => {
  await looked();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RECENT_MS + 5);
  expect(isAtOnce()).toBe(false);
});

test('what the kernel brought counts as a look once all of it is handled', async () => {
  noteLook();
  expect(isAtOnce()).toBe(false);
  await batchHandled();
  expect(isAtOnce()).toBe(true);
});

test('a clock that was set back makes no look recent', async ({ onTestFinished }) => {
  await looked();
  const { now } = Date;
  onTestFinished(() => {
    Date.now = now;
  });
  Date.now = () => now() - 60_000;
  expect(isAtOnce()).toBe(false);
});
