// Changes in each of many small objects.
// must: anything
// handlers: mutate
// review: many keys
// within: 8
function mutate({ object }) {
  for (const key of Object.keys(object.data)) object.data[key] = { was: object.data[key], "a/b~c": [key] };
}
