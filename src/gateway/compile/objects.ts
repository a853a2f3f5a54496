import type { Condition, KubeObject } from '../../kube/index.ts';

export interface IngressBackend {
  service?: { name: string; port?: { number?: number; name?: string } };
}

export interface Ingress extends KubeObject {
  spec: {
    ingressClassName?: string;
    defaultBackend?: IngressBackend;
    tls?: { hosts?: string[]; secretName?: string }[];
    rules?: {
      host?: string;
      http?: { paths: { path?: string; pathType?: string; backend: IngressBackend }[] };
    }[];
  };
  status?: { loadBalancer?: { ingress?: { ip?: string }[] } };
}

export interface ServiceObject extends KubeObject {
  spec: {
    type?: string;
    externalName?: string;
    ports?: { name?: string; port: number; targetPort?: number | string; appProtocol?: string }[];
  };
}

export interface SliceObject extends KubeObject {
  endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[];
  ports?: { name?: string; port?: number }[];
}

export interface ParentReference {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
  sectionName?: string;
}

export interface HeaderMatch {
  type?: string;
  name: string;
  value: string;
}

export interface HttpRouteFilter {
  type: string;
  requestHeaderModifier?: HeaderModifier;
  responseHeaderModifier?: HeaderModifier;
  requestRedirect?: {
    scheme?: string;
    hostname?: string;
    port?: number;
    path?: PathModifier;
    statusCode?: number;
  };
  urlRewrite?: { hostname?: string; path?: PathModifier };
}

export interface HeaderModifier {
  set?: { name: string; value: string }[];
  add?: { name: string; value: string }[];
  remove?: string[];
}

export interface PathModifier {
  type: string;
  replaceFullPath?: string;
  replacePrefixMatch?: string;
}

export interface HttpRoute extends KubeObject {
  spec: {
    parentRefs?: ParentReference[];
    hostnames?: string[];
    rules?: {
      matches?: {
        path?: { type?: string; value?: string };
        method?: string;
        headers?: HeaderMatch[];
        queryParams?: HeaderMatch[];
      }[];
      filters?: HttpRouteFilter[];
      backendRefs?: {
        name: string;
        namespace?: string;
        port?: number;
        weight?: number;
        group?: string;
        kind?: string;
      }[];
      timeouts?: { request?: string; backendRequest?: string };
    }[];
  };
  status?: { parents?: { parentRef: ParentReference; controllerName: string; conditions: Condition[] }[] };
}
