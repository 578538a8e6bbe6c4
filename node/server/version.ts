import manifest from '../package.json' with { type: 'json' };

/** The version of r_db, as its packages have it. */
export const { version } = manifest;
