import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EXAMPLES } from './example-objects.ts';
import { Kubectl, KUBECTLS, SKIP_KUBECTL } from './kubectl.ts';

const WIDGETS = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What the widget shall be.
            required: [size]
            x-kubernetes-validations:
            - {rule: "!has(self.max) || self.size <= self.max", message: size must not exceed max}
            properties:
              size: {type: integer, minimum: 1, maximum: 100, description: How large it is.}
              max: {type: integer}
              replicas: {type: integer, default: 1}
              mode: {type: string, enum: [fast, slow], default: fast}
              name: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: name is immutable}]}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
`;

const widget = (spec: string): string =>
  `apiVersion: example.dev/v1\nkind: Widget\nmetadata: {name: one}\nspec: ${spec}\n`;

for (const program of KUBECTLS.length > 0 ? KUBECTLS : ['kubectl']) {
  describe(`the API with ${program}`, { skip: SKIP_KUBECTL }, () => {
    test('discovery lists kinds, versions and explanations', async () => {
      await using kubectl = await Kubectl.start(program);
      assert.match(await kubectl.ok('version'), /v1\.34\.0\+dispatch/);
      assert.match(await kubectl.ok('api-versions'), /apps\/v1\n[\s\S]*networking\.k8s\.io\/v1/);
      const resources = await kubectl.ok('api-resources');
      assert.match(resources, /deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/);
      assert.match(resources, /customresourcedefinitions\s+crd,crds\s+apiextensions\.k8s\.io\/v1\s+false/);
      assert.match(await kubectl.ok('explain pod.spec.containers.image'), /Image to run/);
      assert.match(await kubectl.ok('explain deployment.spec --recursive'), /progressDeadlineSeconds/);
      assert.match(await kubectl.ok('get --raw /readyz?verbose'), /readyz check passed/);
      assert.match(await kubectl.ok('cluster-info'), /running at/);
    });

    test('a definition and its objects: validation, defaults, columns, scale, explain', async () => {
      await using kubectl = await Kubectl.start(program);
      const definition = await kubectl.file('widgets.yaml', WIDGETS);
      await kubectl.ok('apply -f', definition);
      await kubectl.ok('wait --for=condition=Established crd/widgets.example.dev --timeout=10s');
      const apply = async (spec: string) =>
        kubectl.run('apply -f', await kubectl.file('widget.yaml', widget(spec)));
      assert.match((await apply('{size: 500}')).stderr, /spec\.size.*should be less than or equal to 100/);
      // Older clients find it themselves and word it differently.
      assert.match((await apply('{}')).stderr, /spec\.size|"size"/);
      assert.match(
        (await apply('{size: 5, mode: odd}')).stderr,
        /spec\.mode: Unsupported value: "odd": supported values: "fast", "slow"/,
      );
      assert.match((await apply('{size: 9, max: 5}')).stderr, /size must not exceed max/);
      assert.match((await apply('{size: big}')).stderr, /spec\.size/);
      assert.equal((await apply('{size: 5, name: a}')).code, 0);
      assert.match((await apply('{size: 5, name: b}')).stderr, /name is immutable/);
      assert.deepEqual(JSON.parse(await kubectl.ok('get wd one -o json')).spec, {
        size: 5,
        name: 'a',
        replicas: 1,
        mode: 'fast',
      });
      assert.match(await kubectl.ok('get widgets'), /NAME\s+SIZE\s+READY\none\s+5/);
      assert.match(await kubectl.ok('explain widget.spec.size'), /How large it is/);
      await kubectl.ok('scale widget one --replicas=4');
      assert.equal(await kubectl.ok('get widget one -o jsonpath={.spec.replicas}'), '4');
      assert.match(
        await kubectl.ok('get widget one --subresource=scale'),
        /NAME\s+DESIRED\s+AVAILABLE\s+AGE\none\s+4\s+0\s/,
      );
      await kubectl.ok('patch widget one --type=merge -p', '{"spec":{"mode":"slow"}}');
      assert.match(await kubectl.ok('get all'), /widget\.example\.dev\/one/);
      await kubectl.ok('delete crd widgets.example.dev --timeout=20s');
      assert.notEqual((await kubectl.run('get widgets')).code, 0);
    });

    test('a definition that cannot be served says why, field by field', async () => {
      await using kubectl = await Kubectl.start(program);
      const broken = WIDGETS.replace('self.size <= self.max', 'self.size <=')
        .replace('enum: [fast, slow], default: fast', 'pattern: "("')
        .replace('name: widgets.example.dev', 'name: wrong.example.dev');
      const { code, stderr } = await kubectl.run('create -f', await kubectl.file('broken.yaml', broken));
      assert.notEqual(code, 0);
      assert.match(stderr, /metadata\.name/);
      assert.match(stderr, /x-kubernetes-validations\[0\]\.rule/);
      assert.match(stderr, /properties\[mode\]\.pattern/);
    });

    test('rights: roles, bindings, can-i, tokens and impersonation', async () => {
      await using kubectl = await Kubectl.start(program);
      await kubectl.ok('create serviceaccount robot');
      await kubectl.ok('create role reader --verb=get,list,watch --resource=configmaps');
      await kubectl.ok('create rolebinding robot-reads --role=reader --serviceaccount=default:robot');
      const as = '--as=system:serviceaccount:default:robot';
      assert.equal(await kubectl.ok(`auth can-i list configmaps ${as}`), 'yes');
      assert.equal((await kubectl.run(`auth can-i delete configmaps ${as}`)).stdout.trim(), 'no');
      assert.match(
        (await kubectl.run(`get secrets ${as}`)).stderr,
        /secrets is forbidden: User "system:serviceaccount:default:robot" cannot list resource "secrets" in API group "" in the namespace "default"/,
      );
      const escalate = await kubectl.run(
        `create rolebinding more --clusterrole=admin --serviceaccount=default:robot ${as}`,
      );
      assert.match(escalate.stderr, /forbidden/);
      const { clientVersion } = JSON.parse(await kubectl.ok('version --client -o json')) as {
        clientVersion: { minor: string };
      };
      if (Number.parseInt(clientVersion.minor, 10) >= 28) {
        assert.match(
          await kubectl.ok('auth whoami'),
          /Username\s+dispatch-admin\nGroups\s+\[system:masters system:authenticated\]/,
        );
        assert.match(await kubectl.ok('create token robot --duration=20m'), /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
      }
      const { client } = kubectl.server;
      const review = await client.raw<{ status: { token: string } }>({
        method: 'POST',
        path: '/api/v1/namespaces/default/serviceaccounts/robot/token',
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { expirationSeconds: 3600 },
        },
      });
      await kubectl.useToken(review.status.token);
      assert.match(await kubectl.ok('get configmaps'), /kube-root-ca\.crt/);
      assert.notEqual((await kubectl.run('delete cm kube-root-ca.crt')).code, 0);
      await client.delete(
        { group: '', version: 'v1', plural: 'serviceaccounts', namespaced: true },
        'default',
        'robot',
      );
      assert.match((await kubectl.run('get configmaps')).stderr, /Unauthorized|You must be logged in/i);
    });

    test('namespaces: contents go with them, and nothing new comes meanwhile', async () => {
      await using kubectl = await Kubectl.start(program);
      await kubectl.ok('create namespace shop');
      await kubectl.ok('create configmap a -n shop');
      assert.match(
        (await kubectl.run('create configmap a -n nowhere')).stderr,
        /namespaces "nowhere" not found/,
      );
      await kubectl.ok(
        'patch cm a -n shop --type=merge -p',
        '{"metadata":{"finalizers":["example.dev/hold"]}}',
      );
      await kubectl.ok('delete namespace shop --wait=false');
      assert.match((await kubectl.run('create configmap b -n shop')).stderr, /being terminated/);
      assert.match(await kubectl.ok('get ns shop'), /Terminating/);
      await kubectl.ok('patch cm a -n shop --type=merge -p', '{"metadata":{"finalizers":null}}');
      const gone = await kubectl.run('wait --for=delete ns/shop --timeout=20s');
      // Older clients call it an error when the object has gone before they look.
      if (gone.code !== 0) assert.match(gone.stderr, /no matching resources found/);
    });

    test('every built-in kind can be applied, listed, described, labelled, explained and deleted', async () => {
      await using kubectl = await Kubectl.start(program);
      const manifest = await kubectl.file(
        'all.json',
        JSON.stringify({ apiVersion: 'v1', kind: 'List', items: EXAMPLES }),
      );
      await kubectl.ok('apply -f', manifest);
      assert.match(await kubectl.ok('get -f', manifest), /NAME/);
      await kubectl.ok('label -f', manifest, 'all=yes');
      assert.match(await kubectl.ok('apply -f', manifest), /unchanged|configured/);
      const { clientVersion } = JSON.parse(await kubectl.ok('version --client -o json')) as {
        clientVersion: { minor: string };
      };
      const isOld = Number.parseInt(clientVersion.minor, 10) < 25;
      for (const object of EXAMPLES) {
        // Clients of that time describe these through versions that Kubernetes no longer has.
        if (
          isOld &&
          ['CronJob', 'PodDisruptionBudget', 'Ingress', 'EndpointSlice', 'IngressClass'].includes(object.kind)
        )
          continue;
        const ref = `${object.kind.toLowerCase()}.${object.apiVersion.includes('/') ? `${object.apiVersion.split('/').reverse().join('.')}` : 'v1.'}`;
        assert.match(
          await kubectl.ok(`describe ${ref}/${object.metadata.name}`),
          /Name:|Data|Kind:/i,
          `describe ${ref}`,
        );
      }
      await kubectl.ok('delete --wait=false -f', manifest);
    });
  });
}
