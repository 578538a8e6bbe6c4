import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SHARDS_MAX, SLOTS } from './limits.ts';
import { crc16, keyToShard, keyToSlot, shardToSlots, slotToShard } from './slots.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('slots', () => {
  it('computes CRC16/XMODEM: the check value that Redis Cluster names', () => {
    expect(crc16(bytes('123456789'))).to.equal(0x31c3);
    expect(crc16(bytes(''))).to.equal(0);
  });

  it('agrees with CLUSTER KEYSLOT of Redis', () => {
    const known: readonly (readonly [string, number])[] = [
      ['foo', 12182],
      ['bar', 5061],
      ['hello', 866],
      ['a', 15495],
      ['b', 3300],
      ['c', 7365],
      ['somekey', 11058],
      ['foo{hash_tag}', 2515],
      ['bar{hash_tag}', 2515],
      ['hash_tag', 2515],
      ['{user1000}.following', 3443],
      ['user1000', 3443],
      ['', 0],
    ];
    for (const [key, slot] of known) expect(keyToSlot(key), key).to.equal(slot);
  });

  it('hashes only the first non-empty tag', () => {
    const same = (key: string, part: string) =>
      expect(keyToSlot(key), key).to.equal(crc16(bytes(part)) % SLOTS);
    same('foo{}{bar}', 'foo{}{bar}');
    same('foo{{bar}}zap', '{bar');
    same('foo{bar}{zap}', 'bar');
    same('foo{bar', 'foo{bar');
    same('foo}bar{', 'foo}bar{');
    same('}{a}', 'a');
  });

  it('takes any bytes, as its slow reference does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (key) => {
        expect(crc16(key)).to.equal(slowCrc16(key));
        expect(keyToSlot(key)).to.be.within(0, SLOTS - 1);
      }),
    );
  });

  it('cuts the slots into shards without gap or overlap, lengths differing by one at most', () => {
    for (const shards of [1, 2, 3, 5, 16, 63, 64, 100, 1000, SHARDS_MAX]) {
      let next = 0;
      const lengths = new Set<number>();
      for (let shard = 0; shard < shards; shard++) {
        const { firstSlot, lastSlot } = shardToSlots(shard, shards);
        expect(firstSlot).to.equal(next);
        expect(slotToShard(firstSlot, shards)).to.equal(shard);
        expect(slotToShard(lastSlot, shards)).to.equal(shard);
        lengths.add(lastSlot - firstSlot + 1);
        next = lastSlot + 1;
      }
      expect(next).to.equal(SLOTS);
      expect(Math.max(...lengths) - Math.min(...lengths)).to.be.at.most(1);
    }
  });

  it('finds the shard of every key inside the range of that shard', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: SHARDS_MAX }), (key, shards) => {
        const { firstSlot, lastSlot } = shardToSlots(keyToShard(key, shards), shards);
        expect(keyToSlot(key)).to.be.within(firstSlot, lastSlot);
      }),
    );
  });

  it('names what is wrong with a slot, a shard or a number of shards', () => {
    expect(() => slotToShard(SLOTS, 4)).to.throw(RangeError, 'slot 16384');
    expect(() => slotToShard(0, 0)).to.throw(RangeError, '1 to 1024 shards, not 0');
    expect(() => shardToSlots(4, 4)).to.throw(RangeError, 'shard 4');
    expect(() => shardToSlots(0, 1.5)).to.throw(RangeError, 'not 1.5');
  });
});

function slowCrc16(key: Uint8Array): number {
  let crc = 0;
  for (const byte of key) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    }
  }
  return crc;
}
