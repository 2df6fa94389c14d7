const fdk = require('@fnproject/fdk');

fdk.handle((input) => {
  const name = input?.name ?? 'World';
  console.log(`greeting ${name}`); // shown by fnfleet logs
  return { message: `Hello ${name}` };
});
