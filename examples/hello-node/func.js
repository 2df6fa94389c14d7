const fdk = require('@fnproject/fdk');

fdk.handle((input) => {
  const name = input?.name ?? 'World';
  return { message: `Hello ${name}` };
});
