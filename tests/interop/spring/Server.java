import java.time.Duration;
import java.util.function.Consumer;
import org.apache.catalina.connector.Connector;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.web.embedded.tomcat.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;
import org.springframework.security.crypto.factory.PasswordEncoderFactories;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.MacAlgorithm;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.OAuth2TokenFormat;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;

/**
 * Spring Authorization Server with Spring Boot's defaults: opaque tokens in memory, secrets hashed with bcrypt. `plain.port` has http,
 * `server.port` https with client certificates.
 */
@SpringBootConfiguration
@EnableAutoConfiguration
public class Server {
    public static void main(String[] arguments) {
        SpringApplication.run(Server.class, arguments);
    }

    @Bean
    AuthorizationServerSettings settings(Environment environment) {
        return AuthorizationServerSettings.builder().issuer("http://127.0.0.1:" + environment.getProperty("plain.port")).build();
    }

    @Bean
    WebServerFactoryCustomizer<TomcatServletWebServerFactory> plain(Environment environment) {
        return factory -> {
            Connector connector = new Connector("HTTP/1.1");
            connector.setProperty("address", "127.0.0.1");
            connector.setPort(environment.getRequiredProperty("plain.port", Integer.class));
            factory.addAdditionalTomcatConnectors(connector);
        };
    }

    @Bean
    RegisteredClientRepository clients(Environment environment) {
        String secret = environment.getRequiredProperty("gateway.secret");
        return new InMemoryRegisteredClientRepository(
            app("app", 600),
            app("brief", 5),
            client("gateway", client -> client.clientSecret(hashed(secret))
                .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_BASIC)
                .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_POST)),
            client("gateway-jwt", client -> client.clientSecret(secret)
                .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_JWT)
                .clientSettings(ClientSettings.builder().tokenEndpointAuthenticationSigningAlgorithm(MacAlgorithm.HS256).build())),
            client("gateway-tls", client -> client
                .clientAuthenticationMethod(ClientAuthenticationMethod.TLS_CLIENT_AUTH)
                .clientSettings(ClientSettings.builder().x509CertificateSubjectDN("CN=gateway").build())));
    }

    private static RegisteredClient app(String id, long seconds) {
        return client(id, client -> client.clientSecret(hashed("app-secret"))
            .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_POST)
            .tokenSettings(TokenSettings.builder()
                .accessTokenFormat(OAuth2TokenFormat.REFERENCE)
                .accessTokenTimeToLive(Duration.ofSeconds(seconds))
                .build()));
    }

    private static String hashed(String secret) {
        return PasswordEncoderFactories.createDelegatingPasswordEncoder().encode(secret);
    }

    private static RegisteredClient client(String id, Consumer<RegisteredClient.Builder> more) {
        RegisteredClient.Builder client = RegisteredClient.withId(id).clientId(id)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS).scope("read").scope("write");
        more.accept(client);
        return client.build();
    }
}
