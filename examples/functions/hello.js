/** Says hello to a name from a place. */
module.exports = (context, { name = 'Noone', place = 'Nowhere' }) => ({
  myField: `Hello, ${name} from ${place}`,
});
