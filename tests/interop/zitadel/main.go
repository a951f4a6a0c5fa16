// The example OP of github.com/zitadel/oidc: main PORT HTTPS_PORT SECRET CERTIFICATE KEY.
//
// On PORT it speaks HTTP/1.1, by the provider of the example. On HTTPS_PORT it speaks HTTP/2 alone, by the example's other mode, whose refusals differ.
// Both have the example's storage, which is extended by what the example lacks: tokens of client_credentials for the audience `gateway`, and short ones.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

type app struct{ *storage.Client }

func (app) GrantTypes() []oidc.GrantType { return []oidc.GrantType{oidc.GrantTypeClientCredentials} }

func (app) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodPost }

type token struct {
	request op.TokenRequest
	expires time.Time
}

type store struct {
	*storage.Storage
	apps   map[string]app
	lock   sync.Mutex
	tokens map[string]token
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	if client, known := s.apps[id]; known {
		return client, nil
	}
	return s.Storage.GetClientByClientID(ctx, id)
}

func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	client, known := s.apps[id]
	if !known || s.AuthorizeClientIDSecret(ctx, id, secret) != nil {
		return nil, errors.New("wrong client or secret")
	}
	return client, nil
}

func (s *store) ClientCredentialsTokenRequest(ctx context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{id, "gateway"}, Scopes: scopes}, nil
}

func (s *store) CreateAccessToken(ctx context.Context, request op.TokenRequest) (string, time.Time, error) {
	id, expires, err := s.Storage.CreateAccessToken(ctx, request)
	if request.GetSubject() == "brief" {
		expires = time.Now().Add(5 * time.Second)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.tokens[id] = token{request, expires}
	return id, expires, err
}

// The example lets no client of client_credentials revoke its token.
func (s *store) RevokeToken(_ context.Context, id, subject, client string) *oidc.Error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if _, known := s.tokens[id]; known && subject != client {
		return oidc.ErrInvalidClient().WithDescription("token was not issued for this client")
	}
	delete(s.tokens, id)
	return nil
}

// As the example has it, but for the lookup of the user: clients are none.
func (s *store) SetIntrospectionFromToken(ctx context.Context, answer *oidc.IntrospectionResponse, id, subject, client string) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	token, known := s.tokens[id]
	if !known {
		return errors.New("token is invalid")
	}
	answer.Expiration = oidc.FromTime(token.expires)
	if time.Now().After(token.expires) {
		return errors.New("token is expired")
	}
	if !slices.Contains(token.request.GetAudience(), client) {
		return errors.New("token is not valid for this client")
	}
	answer.Subject, answer.ClientID, answer.Scope = subject, subject, token.request.GetScopes()
	return nil
}

func main() {
	port, httpsPort, secret, certificate, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	issuer := "http://127.0.0.1:" + port + "/"
	apps := map[string]app{
		"app":   {storage.WebClient("app", "app-secret")},
		"brief": {storage.WebClient("brief", "app-secret")},
	}
	storage.RegisterClients(apps["app"].Client, apps["brief"].Client, storage.WebClient("gateway", secret))
	shared := &store{Storage: storage.NewStorage(storage.NewUserStore(issuer)), apps: apps, tokens: map[string]token{}}

	var http2 http.Protocols
	http2.SetHTTP2(true)
	only := http.Server{Addr: "127.0.0.1:" + httpsPort, Handler: exampleop.SetupServer(issuer, shared, nil, true), Protocols: &http2}
	go func() { log.Fatal(only.ListenAndServeTLS(certificate, key)) }()
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, exampleop.SetupServer(issuer, shared, nil, false)))
}
