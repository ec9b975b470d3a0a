// Command netool is the network client and server of the tests' pods, static and with Go's own resolver: a static
// glibc wget crashes in getaddrinfo.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const usage = `usage: netool get URL...     one line each: status, body, time; exit 1 if one cannot be reached
       netool dns NAME...    its addresses
       netool serve ADDR     answers every path with the host name and the client's address
       netool watch URL      tries every 50 ms; prints "ok" or "blocked" with the time, at each change`

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	switch verb, rest := os.Args[1], os.Args[2:]; verb {
	case "get":
		os.Exit(get(rest))
	case "dns":
		lookUp(rest)
	case "serve":
		fmt.Fprintln(os.Stderr, serve(rest[0]))
		os.Exit(1)
	case "watch":
		watch(rest[0])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

// client opens a connection for each request: a policy is asked about new connections only.
func client(limit time.Duration) *http.Client {
	return &http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
}

func get(urls []string) (code int) {
	for _, url := range urls {
		start := time.Now()
		answer, err := client(2 * time.Second).Get(url)
		if err != nil {
			fmt.Println("ERR", err)
			code = 1
			continue
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Printf("%d %s %dms\n", answer.StatusCode, body, time.Since(start).Milliseconds())
	}
	return code
}

func lookUp(names []string) {
	for _, name := range names {
		addresses, err := net.LookupHost(name)
		fmt.Println(name, addresses, err)
	}
}

func serve(address string) error {
	host, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, host, " from ", r.RemoteAddr) })
	return http.ListenAndServe(address, nil)
}

func watch(url string) {
	for last := ""; ; time.Sleep(50 * time.Millisecond) {
		state := "ok"
		if answer, err := client(300 * time.Millisecond).Get(url); err != nil {
			state = "blocked"
		} else {
			answer.Body.Close()
		}
		if state != last {
			fmt.Printf("%.3f %s\n", float64(time.Now().UnixNano())/1e9, state)
			last = state
		}
	}
}
