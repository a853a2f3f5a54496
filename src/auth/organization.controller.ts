import {
  Controller,
  type ControllerContext,
  DONE,
  hasFinalizer,
  type Informer,
  isApiError,
  type KubeObject,
  NAMESPACES,
  type Outcome,
  type Request,
  unlessGone,
  withFinalizer,
  withoutFinalizer,
  writeStatus,
} from '../kube/index.ts';
import { ORGANIZATIONS, type OrganizationObject } from './resources.ts';

const FINALIZER = 'dispatch.dev/organization';
const LABEL = 'dispatch.dev/organization';

/** An organisation is a namespace of that name. It goes with the organisation that made it. */
export class OrganizationController {
  readonly #context: ControllerContext;
  readonly #organizations: Informer<OrganizationObject>;
  readonly #controller: Controller;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#organizations = context.informers.for<OrganizationObject>(ORGANIZATIONS);
    this.#controller = new Controller({
      name: 'organization',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#organizations);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const organization = this.#organizations.get(namespace, name);
    if (organization === undefined) return DONE;
    const { client } = this.#context;
    const patch = (body: object): Promise<unknown> =>
      unlessGone(client.patch(ORGANIZATIONS, { namespace, name }, 'merge', body));
    const { uid = '' } = organization.metadata;
    const place = await client.get<KubeObject>(NAMESPACES, '', name).catch((error: unknown) => {
      if (isApiError(error, 'NotFound')) return undefined;
      throw error;
    });
    if (organization.metadata.deletionTimestamp !== undefined) {
      if (place?.metadata.labels?.[LABEL] === uid) await unlessGone(client.delete(NAMESPACES, '', name));
      if (hasFinalizer(organization, FINALIZER))
        await patch({ metadata: { finalizers: withoutFinalizer(organization, FINALIZER) } });
      return DONE;
    }
    if (!hasFinalizer(organization, FINALIZER))
      await patch({ metadata: { finalizers: withFinalizer(organization, FINALIZER) } });
    if (place === undefined)
      await client.create<KubeObject>(NAMESPACES, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, labels: { [LABEL]: uid } },
      });
    await writeStatus(client, ORGANIZATIONS, organization, { phase: 'READY' });
    return DONE;
  }
}
