import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ProgramKind, recogniseProgram } from '../../src/elf/recognise.ts';
import { elfProgram } from '../support/elf.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** The DOS header of a Windows program, whose PE header lies at `at`. */
function windowsProgram(at: number, signature = 'PE\0\0'): Buffer {
  const bytes = Buffer.alloc(256);
  bytes.write('MZ');
  bytes.writeUInt32LE(at, 0x3c);
  if (at < bytes.length) bytes.write(signature, at);
  return bytes;
}

describe('the first bytes of a file', () => {
  it.each<[ProgramKind, string, Uint8Array]>([
    ['elf', 'an ELF program', elfProgram()],
    ['script', 'a script', Buffer.from('#!/bin/sh\necho\n')],
    ['script', 'a script with a blank before its interpreter', Buffer.from('#! /usr/bin/env node\n')],
    ['unknown', 'a Rust source with an inner attribute', Buffer.from('#![no_std]\n')],
    ['unknown', 'a script that names no interpreter', Buffer.from('#!\n/bin/sh')],
    ['mach-o', 'a 64-bit macOS program', hex('cffaedfe 0c000001 00000000')],
    ['mach-o', 'a 32-bit macOS program', hex('cefaedfe 07000000 03000000')],
    ['mach-o', 'a big-endian macOS program', hex('feedface 00000012 00000000')],
    ['mach-o', 'a universal macOS program', hex('cafebabe 00000002 01000007 00000003')],
    ['unknown', 'a Java class, which begins like one', hex('cafebabe 00000034 001d0a00')],
    ['pe', 'a Windows program', windowsProgram(0x80)],
    ['pe', 'a Windows program with a long DOS program', windowsProgram(0x4000)],
    ['unknown', 'a DOS program', windowsProgram(0x80, 'NE')],
    ['unknown', 'a text about an MZ magic', Buffer.from(`MZ ${'is the magic of DOS programs. '.repeat(4)}`)],
    ['wasm', 'a WebAssembly module', hex('0061736d 01000000')],
    ['zip', 'a zip or jar', hex('504b0304 14000000')],
    ['zip', 'an empty zip', hex('504b0506 00000000')],
    ['unknown', 'a text', Buffer.from('hello\n')],
    ['unknown', 'nothing', Buffer.alloc(0)],
  ])('say %s of %s', (kind, _, bytes) => {
    expect(recogniseProgram(bytes)).toBe(kind);
  });

  it('are read where they lie in a larger buffer', () => {
    const around = Buffer.concat([Buffer.from('#!/bin/sh'), elfProgram()]);
    expect(recogniseProgram(around.subarray(9))).toBe('elf');
  });

  it('never make it fail, however few there are', () => {
    const magic = fc.constantFrom('MZ', '#!', '\x7fEL', 'PK\x03', '\xca\xfe\xba\xbe', '\xcf\xfa\xed\xfe', '');
    fc.assert(
      fc.property(magic, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
        expect(typeof recogniseProgram(Buffer.concat([Buffer.from(start, 'latin1'), rest]))).toBe('string');
      }),
    );
  });
});
