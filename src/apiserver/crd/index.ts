export { conversionOf } from './conversion.ts';
export { DefinitionController } from './controller.ts';
export { type DefinitionContext, resourcesOf } from './definition.ts';
export { compileJsonPath, type JsonPath } from './json-path.ts';
export { CRD_COLLECTION, customResourceDefinitions } from './plugin.ts';
