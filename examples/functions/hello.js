/** Says hello to a name from a place. */
module.exports = (_context, { name = 'Noone', place = 'Nowhere' }) => ({
  myField: `Hello, ${name} from ${place}`,
});
