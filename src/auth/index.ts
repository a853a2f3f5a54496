export { OrganizationController } from './organization.controller.ts';
export { PolicyController } from './policy.controller.ts';
export {
  ORGANIZATIONS,
  type OrganizationObject,
  POLICIES,
  type PolicyObject,
  type PolicyRule,
} from './resources.ts';
