// A WebSocket service that answers as quickly as net/http lets it: the 101 and a frame in one
// packet, then every byte back.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const first = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
	"Upgrade: websocket\r\n\r\n\x81\x05hello"

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	panic(http.Serve(listener, http.HandlerFunc(upgrade)))
}

func upgrade(response http.ResponseWriter, _ *http.Request) {
	connection, buffered, err := response.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, first); err == nil {
		// it fails when the client is gone
		_, _ = io.Copy(connection, buffered)
	}
}
