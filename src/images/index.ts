export { BUILTIN_HOST, BuiltinImages } from './builtin/builtin-images.ts';
export { type Host, MissingProgramError, RECIPES } from './builtin/recipes.ts';
export { ContentStore } from './content/content-store.ts';
export { type Image, ImageStore } from './content/image-store.ts';
export { type ImageConfig, type Manifest, MEDIA } from './manifest.ts';
export { BadReferenceError, formatReference, parseReference, type Reference } from './reference.ts';
