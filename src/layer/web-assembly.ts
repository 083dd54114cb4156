/** What is used of the WebAssembly JavaScript interface, which the types of Node 20 do not have. */
interface Interface {
  readonly Module: new (bytes: Uint8Array) => WebAssemblyModule;
  readonly Instance: new (module: WebAssemblyModule, imports?: object) => { readonly exports: object };
}

/** Compiled code, which threads can share. */
export interface WebAssemblyModule {
  readonly [Symbol.toStringTag]: string;
}

export const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Interface };
