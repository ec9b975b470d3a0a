module regent.dev/cluster/netool

go 1.26.0
