import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import { at, type Conversion, textAt } from '../kinds/index.ts';
import type { WebhookClient } from '../webhook/index.ts';

/** Brings the objects of a definition from one version to another. */
export function conversionOf(
  webhooks: WebhookClient,
  definition: KubeObject,
  version: string,
  stored: string,
): Conversion {
  const group = textAt(definition, 'spec.group') ?? '';
  const convert =
    textAt(definition, 'spec.conversion.strategy') === 'Webhook'
      ? (objects: KubeObject[], to: string) =>
          convertByWebhook(webhooks, definition, objects, `${group}/${to}`)
      : async (objects: KubeObject[], to: string) =>
          objects.map((object) => ({ ...object, apiVersion: `${group}/${to}` }));
  return {
    fromStored: (objects) => convert(objects, version),
    toStored: (objects) => convert(objects, stored),
  };
}

async function convertByWebhook(
  webhooks: WebhookClient,
  definition: KubeObject,
  objects: KubeObject[],
  desired: string,
): Promise<KubeObject[]> {
  const wanted = objects.filter((object) => object.apiVersion !== desired);
  if (wanted.length === 0) return objects;
  const uid = crypto.randomUUID();
  const review = {
    kind: 'ConversionReview',
    apiVersion: 'apiextensions.k8s.io/v1',
    request: { uid, desiredAPIVersion: desired, objects: wanted },
  };
  const answer = await webhooks.call(at(definition, 'spec.conversion.webhook.clientConfig'), review, 30_000);
  const response = at(answer, 'response');
  const converted = at(response, 'convertedObjects');
  if (
    at(response, 'uid') !== uid ||
    textAt(response, 'result.status') !== 'Success' ||
    !Array.isArray(converted) ||
    converted.length !== wanted.length
  ) {
    throw refuse(
      definition,
      textAt(response, 'result.message') ?? 'the answer is no matching ConversionReview',
    );
  }
  const byOriginal = new Map(
    wanted.map((object, index) => [object, checked(definition, object, converted[index], desired)]),
  );
  return objects.map((object) => byOriginal.get(object) ?? object);
}

/** A webhook may change the shape, never the identity. */
function checked(
  definition: KubeObject,
  original: KubeObject,
  converted: unknown,
  desired: string,
): KubeObject {
  if (
    !isRecord(converted) ||
    converted['apiVersion'] !== desired ||
    converted['kind'] !== original.kind ||
    !isRecord(converted['metadata'])
  ) {
    throw refuse(definition, `an object did not come back as ${original.kind} of ${desired}`);
  }
  const { labels, annotations } = (converted as KubeObject).metadata;
  const metadata = { ...original.metadata, ...(labels && { labels }), ...(annotations && { annotations }) };
  return { ...(converted as KubeObject), metadata };
}

function refuse(definition: KubeObject, why: string): ApiError {
  return new ApiError('InternalError', `conversion webhook for ${definition.metadata.name} failed: ${why}`);
}
