mod p11_bad_configuration;
