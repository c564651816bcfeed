import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes one record a key by the Java client and prints the partition it chose: `java Partitions.java <brokers> <topic> <key> …`. */
public class Partitions {
  public static void main(String[] args) throws Exception {
    var properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("key.serializer", StringSerializer.class.getName());
    properties.put("value.serializer", StringSerializer.class.getName());
    try (var producer = new KafkaProducer<String, String>(properties)) {
      for (int index = 2; index < args.length; index++)
        System.out.println(producer.send(new ProducerRecord<>(args[1], args[index], "")).get().partition());
    }
  }
}
