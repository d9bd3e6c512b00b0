module.exports = (...words) => console.log(new Date().toISOString(), ...words);
