// A script's response of wrong types.
// must: error response cannot be read
// dialect: script
__response = { deny: "yes", code: "x", warnings: 7 };
