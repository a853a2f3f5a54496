import { RenderError, type TemplateFunction, typeOf } from '../go-template/index.ts';
import { kindName, textArg } from './arguments.ts';

/** What a chart says by itself about why it cannot be rendered. */
export class ChartRefusal extends RenderError {}

export const REFLECTION: Readonly<Record<string, TemplateFunction>> = {
  typeOf: (value) => typeOf(value),
  typeIs: (name, value) => typeOf(value) === textArg(name, 0),
  typeIsLike: (name, value) => typeOf(value) === textArg(name, 0) || typeOf(value) === `*${textArg(name, 0)}`,
  kindOf: (value) => kindName(value),
  kindIs: (name, value) => kindName(value) === textArg(name, 0),
  fail: (message) => {
    throw new ChartRefusal(textArg(message, 0));
  },
  hello: () => 'Hello!',
  /** Names are not looked up: a rendering sees nothing but its sources. */
  getHostByName: () => '',
};
