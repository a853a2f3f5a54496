export {
  type Applied,
  type Author,
  applyConfiguration,
  checkManager,
  ownedBy,
  trackUpdate,
} from './managers.ts';
