// A script's response that is its own part.
// must: error circular
// dialect: script
__response = { deny: true };
__response.self = __response;
__response.warnings = [__response];
