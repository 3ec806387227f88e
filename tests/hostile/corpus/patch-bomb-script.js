// The same by a script, with every key renamed.
// must: anything
// dialect: script
// handlers: mutate
// review: many keys
// within: 8
var data = {};
Object.keys(request.object.data).forEach(function (key) { data["~/" + key] = request.object.data[key]; });
request.object.data = data;
mutate(request.object);
