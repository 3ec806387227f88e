// Exits, and leaves a loop for the next realm.
// must: deny done
// dialect: script
Promise.resolve().then(() => { for (;;); });
deny("done");
