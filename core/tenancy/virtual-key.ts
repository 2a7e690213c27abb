/**
 * Virtual keys, and keys of the admin API: `tg_` or `tga_` + 32 random base-62 characters (190 bits) + a 6-character checksum. The checksum
 * lets scanners and typos be told from real keys offline; only the SHA-256 of a key is ever stored.
 */
import { hash } from 'node:crypto';
import { type RandomText, randomText } from '../ids.ts';

/** Of a key that calls models, and of one that governs. */
const VIRTUAL_KEY = 'tg_';
const ADMIN_KEY = 'tga_';
const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const BODY = new RegExp(`^[0-9A-Za-z]{${SECRET_LENGTH + CHECKSUM_LENGTH}}$`);

export function newVirtualKey(random: RandomText = randomText): string {
  return newKey(VIRTUAL_KEY, random);
}

export function newAdminKey(random: RandomText = randomText): string {
  return newKey(ADMIN_KEY, random);
}

/** True when the text has a key's shape and its checksum holds. Says nothing about whether the key exists. */
export function isWellFormedKey(key: string): boolean {
  return isWellFormed(VIRTUAL_KEY, key);
}

export function isWellFormedAdminKey(key: string): boolean {
  return isWellFormed(ADMIN_KEY, key);
}

function newKey(prefix: string, random: RandomText): string {
  const body = prefix + random(SECRET_LENGTH);
  return body + checksum(body);
}

function isWellFormed(prefix: string, key: string): boolean {
  if (!key.startsWith(prefix) || !BODY.test(key.slice(prefix.length))) return false;
  return checksum(key.slice(0, -CHECKSUM_LENGTH)) === key.slice(-CHECKSUM_LENGTH);
}

/** What is stored and looked up instead of the key: hex SHA-256. A fast hash suffices for 190 random bits. */
export function hashKey(key: string): string {
  return hash('sha256', key, 'hex');
}

/** The key's public name, in logs and usage events: tells keys apart, reveals nothing usable. */
export function keyIdOf(keyHash: string): string {
  return `vk_${keyHash.slice(0, 12)}`;
}

function checksum(body: string): string {
  const digest = hash('sha256', `tollgate-key-checksum:${body}`, 'hex');
  return BigInt(`0x${digest}`).toString(36).slice(0, CHECKSUM_LENGTH);
}
