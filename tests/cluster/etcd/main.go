// Command etcd is the stock etcd server: upstream ships its own main in a module that cannot be required without its replaces.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
