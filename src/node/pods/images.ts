import type { Container, Pod } from '../../kube/index.ts';

export interface ReadyImage {
  /** The name by which it was asked for, in full. */
  reference: string;
  digest: string;
  rootfs: string;
  config: {
    User?: string;
    Env?: string[];
    Entrypoint?: string[];
    Cmd?: string[];
    WorkingDir?: string;
    StopSignal?: string;
    Labels?: Record<string, string>;
  };
}

export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

export class ImageProblem extends Error {
  /** As a kubelet says it: ErrImagePull, InvalidImageName, ErrImageNeverPull. */
  readonly reason: string;

  constructor(reason: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ImageProblem';
    this.reason = reason;
  }
}

/** Where the node has its images from. */
export interface ImageSource {
  /** The image that a container is about, whatever it is called. */
  nameFor: (container: Container) => string;
  /** The image, if all of it is on this machine. */
  find: (name: string) => Promise<ReadyImage | undefined>;
  /** The image by its policy: what is here is not fetched unless the policy wants it. */
  ensure: (name: string, policy: PullPolicy, pod: Pod, signal: AbortSignal) => Promise<ReadyImage>;
}
