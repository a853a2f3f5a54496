import Type from 'typebox';

/** How far an object of the serverless kinds has come. */
export const PHASES = ['INITIALIZED', 'CREATING', 'READY', 'UPDATING', 'ERROR', 'DELETING'] as const;
export type Phase = (typeof PHASES)[number];

export const phase = Type.Optional(Type.String({ description: `${PHASES.join(', ')}.` }));
export const reasons = Type.Optional(Type.Array(Type.String(), { description: 'Why it is in error.' }));
