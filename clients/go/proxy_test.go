package carillon_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands before a gateway and cuts connections, as networks do.
type proxy struct {
	Addr string

	mu    sync.Mutex
	conns map[net.Conn]bool
	shut  bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Addr: listener.Addr().String(), conns: map[net.Conn]bool{}}
	var group sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		p.shut = true
		p.mu.Unlock()
		p.Cut()
		group.Wait()
	})
	group.Add(1)
	go func() {
		defer group.Done()
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			if !p.keep(near, far) {
				return
			}
			group.Add(2)
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					defer group.Done()
					_, _ = io.Copy(way[0], way[1])
					p.drop(near, far)
				}()
			}
		}
	}()
	return p
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range conns {
		p.conns[each] = true
		if p.shut {
			_ = each.Close()
		}
	}
	return !p.shut
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range conns {
		_ = each.Close()
		delete(p.conns, each)
	}
}

// Cut breaks every connection, with what is on its way in it.
func (p *proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for each := range p.conns {
		if tcp, ok := each.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = each.Close()
	}
}
