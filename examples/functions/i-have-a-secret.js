/** Tells the password, if it has been given one. */
module.exports = ({ secrets: { password } }) => ({
  message: password === undefined ? 'I know nothing' : `The password is ${password}`,
});
