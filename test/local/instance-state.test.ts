import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockDataFolder, readState, writeState } from '../../local/instance-state.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-state-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const state = () => ({
  pid: process.pid,
  baseUrl: 'http://127.0.0.1:1',
  adminKey: 'a',
  demoKey: 'd',
  dataDir,
  providerUrl: 'p',
  awsUrl: 'w',
  dynamoUrl: 'y',
  workGroup: 'g',
  region: 'us-east-1',
});

it('refuses a folder that a living process holds, and names the process', () => {
  const release = lockDataFolder(dataDir);
  expect(() => lockDataFolder(dataDir)).toThrow(`in use by the process ${process.pid}`);
  release();
  lockDataFolder(dataDir)();
  expect(existsSync(join(dataDir, 'lock'))).toBe(false);
});

it('takes over from a process that has died', async () => {
  const dead = spawn(process.execPath, ['-e', '']);
  await once(dead, 'exit');
  writeFileSync(join(dataDir, 'lock'), String(dead.pid));
  expect(() => lockDataFolder(dataDir)()).not.toThrow();
});

it('is found by others while its process lives, and not after', () => {
  expect(readState(dataDir)).toBeUndefined();
  const release = lockDataFolder(dataDir);
  writeState(state());
  expect(readState(dataDir)).toEqual(state());
  release();
  expect(readState(dataDir)).toBeUndefined();
});

it('is not readable by others on the machine', () => {
  writeState(state());
  expect(statSync(join(dataDir, 'instance.json')).mode & 0o077).toBe(0);
});
