import Type from 'typebox';

/** The conditions of every status, merged by type in server-side apply. */
export const conditions = Type.Optional(
  Type.Array(
    Type.Object({
      type: Type.String({ minLength: 1 }),
      status: Type.Union([Type.Literal('True'), Type.Literal('False'), Type.Literal('Unknown')]),
      reason: Type.Optional(Type.String()),
      message: Type.Optional(Type.String()),
      lastTransitionTime: Type.Optional(Type.String({ format: 'date-time' })),
      observedGeneration: Type.Optional(Type.Integer()),
    }),
    { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
  ),
);
