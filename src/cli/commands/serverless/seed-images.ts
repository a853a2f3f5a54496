/** The images that come along. Those of nodejs and python3 are made of this machine's programs. */
export const SEED_IMAGES = `kind: BaseImage
name: nodejs-base
dockerUrl: dispatch.local/nodejs-base
language: nodejs
---
kind: BaseImage
name: python3-base
dockerUrl: dispatch.local/python3-base
language: python3
---
kind: Image
name: nodejs
baseImageName: nodejs-base
---
kind: Image
name: python3
baseImageName: python3-base
`;
