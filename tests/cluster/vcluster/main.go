// Command vcluster is the syncer as it is released, but for its plugin server: of that one port two syncers on one
// machine would fight for, the second would die.
package main

import (
	"github.com/loft-sh/vcluster/cmd/vcluster/cmd"
	"github.com/loft-sh/vcluster/pkg/plugin"
)

func main() {
	plugin.IsPlugin = true
	cmd.RunRoot()
}
