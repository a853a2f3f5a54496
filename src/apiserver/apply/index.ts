export { type Applied, type Author, applyConfiguration, checkManager, trackUpdate } from './managers.ts';
