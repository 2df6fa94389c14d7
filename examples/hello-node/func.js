const fdk = require('@fnproject/fdk');

fdk.handle((input) => {
  const name = input?.name ?? 'World';
  console.log(`greeting ${name}`); // fnfleet logs shows it
  return { message: `Hello ${name}` };
});
