declare const __OCISLIM_VERSION__: string | undefined;

/** ocislim's version; `dev` when the sources run without the bundle. */
export const VERSION: string = typeof __OCISLIM_VERSION__ === 'string' ? __OCISLIM_VERSION__ : 'dev';
